"use strict";

{
  // Pictures open at their full size, so that their labels can be read on a telephone.
  const dialog = document.createElement("dialog");
  dialog.className = "picture";
  dialog.innerHTML = '<button aria-label="close">×</button><img alt="">';
  dialog.addEventListener("click", () => dialog.close());
  document.body.append(dialog);

  function enlarge(image) {
    const large = dialog.querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
    large.style.width = `${image.naturalWidth}px`;
    dialog.showModal();
    dialog.scrollTo(0, 0);
  }

  for (const image of document.querySelectorAll(".md-content article img")) {
    if (image.closest(".compare")) continue;
    image.classList.add("opens");
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.addEventListener("click", () => enlarge(image));
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter") enlarge(image);
    });
  }

  // Slides: the arrow keys go to the next one and back.
  const slides = [...document.querySelectorAll(".slides section")];
  document.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key];
    if (!slides.length || !way || event.target.matches("input")) return;
    event.preventDefault();
    const next = slides.filter((slide) => Math.sign(Math.round(slide.getBoundingClientRect().top)) === way);
    (way > 0 ? next[0] : next.at(-1))?.scrollIntoView();
  });
}
