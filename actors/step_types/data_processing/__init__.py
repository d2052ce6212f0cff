"""The step type ``data_processing``: operations on rows of earlier steps, as in SQL."""
