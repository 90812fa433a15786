import VARLite
import VARModels

/// A size of pictures that a model's scales give, and how it is asked for.
struct OfferedSize: Sendable, Equatable {
  let pixels: PixelSize
  let size: DrawingSize
  let aspect: DrawingAspect

  /// As clients write it: width, then height.
  var text: String { "\(pixels.width)x\(pixels.height)" }

  /// The model's own size, then all others from small to large.
  static func all(of model: Model) -> [OfferedSize] {
    guard model.canDraw else { return [] }
    let own = OfferedSize(
      pixels: model.description.drawingSize, size: .modelDefault, aspect: .modelDefault)
    var sizes = [own]
    let stride = model.configuration.vae.stride
    for budget in PixelBudget.allCases
    where budget.scaleCount <= model.configuration.generator.numLevels {
      for template in AspectTemplate.all {
        let grid = template.schedule(scaleCount: budget.scaleCount).finalGrid
        let offered = OfferedSize(
          pixels: PixelSize(height: grid.height * stride, width: grid.width * stride),
          size: .budget(budget), aspect: .ratio(width: 1, height: template.heightOverWidth))
        if !sizes.contains(where: { $0.pixels == offered.pixels }) { sizes.append(offered) }
      }
    }
    return sizes
  }
}
