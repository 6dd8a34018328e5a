// Passkeys: the one thing that a page cannot do without script. Every form marked with
// data-passkey asks for options, lets the browser make or use a passkey, and sends the result.
"use strict";
(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((item) => ({ ...item, id: bytes(item.id) }));

  const made = async (options) => {
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: ids(options.excludeCredentials),
    };
    const credential = await navigator.credentials.create({ publicKey });
    const answer = credential.response;
    return described(credential, {
      attestationObject: text(answer.attestationObject),
      transports: answer.getTransports ? answer.getTransports() : [],
    });
  };

  const used = async (options) => {
    const publicKey = {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: ids(options.allowCredentials),
    };
    const credential = await navigator.credentials.get({ publicKey });
    const answer = credential.response;
    return described(credential, {
      authenticatorData: text(answer.authenticatorData),
      signature: text(answer.signature),
      userHandle: answer.userHandle ? text(answer.userHandle) : null,
    });
  };

  const described = (credential, response) => ({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
  });

  const go = async (form, told) => {
    const answer = await fetch(form.dataset.options, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
    });
    if (!answer.ok) {
      told.textContent = "This page is out of date. Load it again and try once more.";
      return;
    }
    const act = form.dataset.passkey === "add" ? made : used;
    form.elements.credential.value = JSON.stringify(await act(await answer.json()));
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const told = form.querySelector("[data-passkey-told]");
    if (!window.PublicKeyCredential) {
      told.textContent = "This browser does not know passkeys.";
      continue;
    }
    told.textContent = "";
    form.querySelector("button").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      told.textContent = "Waiting for your passkey …";
      go(form, told).catch((error) => {
        told.textContent =
          error.name === "InvalidStateError"
            ? "This device has a passkey for you already."
            : "The passkey was not used. You can try again.";
      });
    });
  }
})();
