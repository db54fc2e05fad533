for (const link of document.querySelectorAll("a.svg")) link.href = link.closest("figure").querySelector("img").src;
for (const button of document.querySelectorAll("button.csv")) button.addEventListener("click", () => {
  const rows = [...button.previousElementSibling.querySelectorAll("tr")];
  const cell = (item) => '"' + item.textContent.replaceAll('"', '""') + '"';
  const area = document.createElement("textarea");
  area.value = rows.map((row) => [...row.children].map(cell).join(",")).join("\n");
  document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
  button.textContent = "copied"; setTimeout(() => { button.textContent = "copy as CSV"; }, 1500);
});
