"""The parts of bench/compare: the servers, the rows and marks, the running of them, the report."""
