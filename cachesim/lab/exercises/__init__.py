"""The exercises of the notebooks, a module each, found by the name of the notebook: `exercises.start_here`."""
