"""The step type ``data_processing``: operations on rows of earlier steps, as SQL would do them."""

from indelible.actors.step_types.data_processing.step import DataProcessing

__all__ = ["DataProcessing"]
