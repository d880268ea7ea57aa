/**
 * Where a live view stands in a notebook: in the place of a still, which is all that the notebook's file keeps.
 *
 * An output that names a widget's model is an error as soon as that model is gone, as after a restart. So outputs hold
 * the still alone, inside an element whose class names its model, and the model puts a view before it wherever it finds
 * that element on the page. Where there is no such model, the still is seen; and as long as its kernel does not answer,
 * too: a notebook may hold a model's state, from which a page makes it anew without any kernel.
 */

const OUTPUT_OF_LAB = ".jp-RenderedHTMLCommon";
/** For how long a view may be off the page, as a cell that was scrolled away is, before it is closed (ms). */
const KEPT_OFF_PAGE = 600_000;

/** Show the view that `render({model, el})` makes wherever the still of this model is, until the signal aborts. */
export function takePlaces({ model, signal }, render) {
  const name = model.get("place");
  if (!name) return;
  const stillClass = `mephisto-place-${name}`;
  const stills = document.getElementsByClassName(stillClass);
  const views = new Map();

  async function take(host) {
    const el = document.createElement("div");
    el.className = "jp-OutputArea-output mephisto-view mathjax_ignore tex2jax_ignore";
    const view = { el, close: () => {}, gone: 0 };
    views.set(host, view);
    host.dataset.mephistoLive = name;
    host.before(el);
    host.style.setProperty("display", "none", "important");
    try {
      view.close = (await render({ model, el, signal })) ?? view.close;
      if (!views.has(host)) view.close();
    } catch (error) {
      leave(host);
      host.dataset.mephistoLive = name; // once is enough
      throw error;
    }
  }

  function leave(host) {
    const view = views.get(host);
    views.delete(host);
    view.close();
    view.el.remove();
    delete host.dataset.mephistoLive;
    host.style.removeProperty("display");
  }

  let isAnswered = false;
  model.on("msg:custom", () => {
    if (isAnswered) return;
    isAnswered = true;
    look();
  });

  function look() {
    if (!isAnswered) return;
    for (const still of stills) {
      const host = still.closest(OUTPUT_OF_LAB) ?? still;
      if (host.dataset.mephistoLive === undefined) take(host);
    }
    for (const [host, view] of views) {
      const isOther = host.childElementCount > 0 && !host.classList.contains(stillClass) && !host.querySelector(`.${stillClass}`);
      if (host.isConnected && isOther) leave(host);
      else if (host.isConnected) view.gone = 0;
      else if (view.gone === 0) view.gone = Date.now();
      else if (Date.now() - view.gone > KEPT_OFF_PAGE) leave(host);
    }
  }

  const observer = new MutationObserver(look);
  observer.observe(document.documentElement, { childList: true, subtree: true });
  try {
    model.send({ type: "hello" });
  } catch {
    // there is no kernel
  }
  signal?.addEventListener("abort", () => {
    observer.disconnect();
    for (const host of [...views.keys()]) leave(host);
  });
}
