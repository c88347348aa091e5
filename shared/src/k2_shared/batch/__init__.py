"""Work that runs now and then on Spark, in a process of its own."""
