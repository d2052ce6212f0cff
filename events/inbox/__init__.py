"""The inbox: durable commands of other processes; its port and its table."""
