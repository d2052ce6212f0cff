"""The parts of the contract that every event store keeps."""
