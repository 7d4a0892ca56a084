"""The script for `streamlit run`, which `make app` starts."""

from streamlit_app.shell import main

main()
