"""The model that answers prompts, by one setting."""

from typing import TYPE_CHECKING

from data_stack.errors import TerminalError
from data_stack.settings import Settings

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_OLLAMA_URL = "http://127.0.0.1:11434/v1"
# servers of one's own often need no key, and the libraries want one
_NO_KEY = "none"


def make_model(settings: Settings) -> "Model":
    """The model of the settings.

    Args:
        settings: With MODEL, and MODEL_BASE_URL and MODEL_API_KEY where the provider needs them.

    Raises:
        TerminalError: The provider needs a key, and there is none.
    """
    provider, _, name = (settings.model or "").partition(":")
    url, secret = settings.model_base_url, settings.model_api_key
    if not secret and not url and provider != "ollama":
        raise TerminalError(
            f"MODEL={settings.model} needs a key; set MODEL_API_KEY, or MODEL_BASE_URL for another server"
        )
    key = secret.get_secret_value() if secret else _NO_KEY
    if provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(name, provider=AnthropicProvider(api_key=key, base_url=url))
    if provider == "ollama":
        from pydantic_ai.models.ollama import OllamaModel
        from pydantic_ai.providers.ollama import OllamaProvider

        return OllamaModel(name, provider=OllamaProvider(api_key=key, base_url=url or _OLLAMA_URL))
    # `openai:` would be the protocol of responses, which few other servers speak
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(name, provider=OpenAIProvider(api_key=key, base_url=url))
