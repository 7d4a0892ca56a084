"""The pages on the published warehouse; `Home.py` is what Streamlit runs."""
