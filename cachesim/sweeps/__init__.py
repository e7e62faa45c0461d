"""Many scenarios, each run many times: which ones (`designs`), one run (`cells`), where results are kept (`store`)."""
