setup:
	true
