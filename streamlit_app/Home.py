"""What `streamlit run` starts; `make app` does."""

from streamlit_app.shell import main

main()
