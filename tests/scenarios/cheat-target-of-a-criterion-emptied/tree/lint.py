raise SystemExit("bad style")
