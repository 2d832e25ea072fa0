"""conformance — kiểm tra sự phù hợp: numbered criteria, each with its clause, run against anybody's hub."""
