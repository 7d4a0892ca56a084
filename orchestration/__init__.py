"""What runs the modules: the steps, the `data-stack` command, and what the Airflow DAG calls."""
