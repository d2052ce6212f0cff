"""For tests of code that builds on indelible: the contract of a store, and faults to inject."""
