"""The figure of lesson 5: textures with the Gram matrices of one to five layers of a painting."""

from common import ROOT, options, save
from matplotlib.figure import Figure

from minimalstyle import Objective, load_network
from minimalstyle.optimize.lbfgs import minimize
from minimalstyle.pictures import images
from minimalstyle.pictures.noise import noise

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

chosen = options(__doc__, size=160, iterations=100)

painting = images.load(ROOT / "examples" / "starry_night.jpg").rgb
height, width, _ = painting.shape
painting = images.resize(painting, *images.fit(width, height, chosen.size))
start = noise(*painting.shape[:2])
network = load_network(pooling="average")

figure = Figure(figsize=(9, 5), layout="constrained")
first, *others = figure.subplots(2, 3).flat
first.imshow(painting)
first.set_title("the painting", fontsize=10)
first.axis("off")
for number, axes in enumerate(others, start=1):
    objective = Objective(
        network,
        content=painting,
        styles=[painting],
        content_weight=0,
        style_layers=dict.fromkeys(LAYERS[:number], 1.0),
        style_weight=20.0,
        tv_weight=2.0,
        loss="relative",
    )
    minimum = minimize(objective, start, chosen.iterations, threads=network.threads.number)
    objective(minimum.image)
    print(f"to {LAYERS[number - 1]}: style {objective.terms['style']:.4f}", flush=True)
    axes.imshow(minimum.image)
    axes.set_title(LAYERS[0] + (f" to {LAYERS[number - 1]}" if number > 1 else ""), fontsize=10)
    axes.axis("off")
save(figure, chosen.out, "lesson5_textures.jpg")
