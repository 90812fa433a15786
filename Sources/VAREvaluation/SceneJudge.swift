import VARVision

/// What a judged picture has right.
package struct SceneVerdict: Sendable, Equatable {
  /// One expected object.
  package struct ObjectVerdict: Sendable, Equatable {
    package let isColorRight, isShapeRight, isSizeRight: Bool
    /// Colour, shape and size together.
    package var isExact: Bool { isColorRight && isShapeRight && isSizeRight }
  }

  /// In the order of the scene.
  package let objects: [ObjectVerdict]
  package let isBackgroundRight: Bool
  /// Grid cells that should be empty and are not.
  package let extraObjectCount: Int

  /// Every object, the background, and nothing more.
  package var isExact: Bool {
    objects.allSatisfy(\.isExact) && isBackgroundRight && extraObjectCount == 0
  }
}

/// Compares pictures with the scenes they should show, by the rules of the evaluation set's README.
///
/// Pure arithmetic on integers and doubles without libm: the verdict is the same on every machine.
package struct SceneJudge: Sendable {
  /// Objects and empty cells are looked at in windows of 31 and 25 pixels.
  private static let objectRadius = EvaluationSet.ShapeTemplate.side / 2
  private static let cellRadius = 12
  /// Pixels this near to an object, in x and in y, do not count as background.
  private static let clearance = 16

  private let set: EvaluationSet
  private let palette: [EvaluationSet.NamedColor]

  package init(set: EvaluationSet) {
    self.set = set
    palette = set.colors + set.backgrounds
  }

  /// Judges a picture of the set's extents; throws ``EvaluationError/Code/wrongImageSize`` for any other.
  package func judge(
    _ image: RGBImage, against scene: EvaluationSet.Scene
  ) throws(EvaluationError) -> SceneVerdict {
    guard image.width == set.imageSize, image.height == set.imageSize else {
      throw EvaluationError(
        .wrongImageSize,
        "\(image.width) x \(image.height) pixels, expected \(set.imageSize) x \(set.imageSize)")
    }
    let background = idealRows(scene.background)
    return SceneVerdict(
      objects: scene.objects.map { verdict(image, object: $0, background: background) },
      isBackgroundRight: isBackgroundRight(image, scene: scene),
      extraObjectCount: set.cells.count { cell in
        !scene.objects.contains { $0.position == cell.name }
          && holdsAnything(image, cell: cell, background: background)
      })
  }

  /// The colour of each row of the ideal background, `[imageSize][3]`: no background changes along x.
  private func idealRows(_ background: EvaluationSet.Background) -> [[Double]] {
    let top = rgb(background.top, in: set.backgrounds)
    let bottom = rgb(background.bottom, in: set.backgrounds)
    return (0..<set.imageSize).map { y in
      switch background.kind {
      case .plain: top
      case .split: y < set.imageSize / 2 ? top : bottom
      case .gradient:
        zip(top, bottom).map { $0 + ($1 - $0) * Double(y) / Double(set.imageSize - 1) }
      }
    }
  }

  private func rgb(_ name: String, in colors: [EvaluationSet.NamedColor]) -> [Double] {
    guard let color = colors.first(where: { $0.name == name }) else {
      preconditionFailure("the set's reader checks every colour name")
    }
    return color.rgb.map { Double($0) }
  }

  // MARK: Objects

  private func verdict(
    _ image: RGBImage, object: EvaluationSet.SceneObject, background: [[Double]]
  ) -> SceneVerdict.ObjectVerdict {
    let best = bestTemplate(image, object: object, background: background)
    return SceneVerdict.ObjectVerdict(
      isColorRight: nearest(median(image, inside: object), in: palette) == object.color,
      isShapeRight: best?.shape == object.shape, isSizeRight: best?.size == object.size)
  }

  /// Calls `body` with the index into the mask and the offset of the first channel, for pixels within the picture.
  private func forEachPixel(
    of object: EvaluationSet.SceneObject, _ body: (_ mask: Int, _ pixel: Int, _ y: Int) -> Void
  ) {
    let side = EvaluationSet.ShapeTemplate.side
    for row in 0..<side {
      let y = object.y - Self.objectRadius + row
      guard (0..<set.imageSize).contains(y) else { continue }
      for column in 0..<side {
        let x = object.x - Self.objectRadius + column
        guard (0..<set.imageSize).contains(x) else { continue }
        body(row * side + column, (y * set.imageSize + x) * 3, y)
      }
    }
  }

  /// Median of the pixels well inside the expected shape.
  private func median(_ image: RGBImage, inside object: EvaluationSet.SceneObject) -> [Double]? {
    let side = EvaluationSet.ShapeTemplate.side
    guard
      let template = set.templates.first(where: {
        $0.shape == object.shape && $0.size == object.size
      })
    else { return nil }
    func isCovered(_ row: Int, _ column: Int) -> Bool {
      guard (0..<side).contains(row), (0..<side).contains(column) else { return false }
      return Double(template.coverage[row * side + column]) / 255 > 0.99
    }
    var pixels: [Int] = []
    forEachPixel(of: object) { mask, pixel, _ in
      let (row, column) = mask.quotientAndRemainder(dividingBy: side)
      let isInside =
        isCovered(row, column) && isCovered(row - 1, column) && isCovered(row + 1, column)
        && isCovered(row, column - 1) && isCovered(row, column + 1)
      if isInside { pixels.append(pixel) }
    }
    return median(image, pixels: pixels)
  }

  /// The template with the least squared error against the window; nil where plain background fits best.
  private func bestTemplate(
    _ image: RGBImage, object: EvaluationSet.SceneObject, background: [[Double]]
  ) -> EvaluationSet.ShapeTemplate? {
    let color = rgb(object.color, in: set.colors)
    func squaredError(_ coverage: (Int) -> Double) -> Double {
      var sum = 0.0
      forEachPixel(of: object) { mask, pixel, y in
        let covered = coverage(mask)
        for channel in 0..<3 {
          let ideal = covered * color[channel] + (1 - covered) * background[y][channel]
          let difference = Double(image.pixels[pixel + channel]) - ideal
          sum += difference * difference
        }
      }
      return sum
    }
    var best: EvaluationSet.ShapeTemplate?
    var leastError = squaredError { _ in 0 }
    for template in set.templates {
      let error = squaredError { Double(template.coverage[$0]) / 255 }
      if error < leastError {
        leastError = error
        best = template
      }
    }
    return best
  }

  // MARK: Background

  private func isBackgroundRight(_ image: RGBImage, scene: EvaluationSet.Scene) -> Bool {
    let size = set.imageSize
    let zones: (top: Range<Int>, bottom: Range<Int>) =
      switch scene.background.kind {
      case .plain: (0..<size, 0..<size)
      // The README's rows for 96: 0...44 and 51...95, 0...11 and 84...95.
      case .split: (0..<size / 2 - 3, size / 2 + 3..<size)
      case .gradient: (0..<size / 8, size - size / 8..<size)
      }
    let expectations = [(zones.top, scene.background.top), (zones.bottom, scene.background.bottom)]
    return expectations.allSatisfy { rows, name in
      var pixels: [Int] = []
      for y in rows {
        for x in 0..<size {
          let isFree = scene.objects.allSatisfy {
            abs(x - $0.x) > Self.clearance || abs(y - $0.y) > Self.clearance
          }
          if isFree { pixels.append((y * size + x) * 3) }
        }
      }
      return pixels.count < 20
        || nearest(median(image, pixels: pixels), in: set.backgrounds) == name
    }
  }

  /// More than 6 % of the pixels around a cell's centre are off the background by more than 48.
  private func holdsAnything(
    _ image: RGBImage, cell: EvaluationSet.GridCell, background: [[Double]]
  ) -> Bool {
    var pixelCount = 0
    var differentCount = 0
    for y in max(0, cell.y - Self.cellRadius)...min(set.imageSize - 1, cell.y + Self.cellRadius) {
      for x in max(0, cell.x - Self.cellRadius)...min(set.imageSize - 1, cell.x + Self.cellRadius) {
        let pixel = (y * set.imageSize + x) * 3
        pixelCount += 1
        let differs = (0..<3).contains {
          abs(Double(image.pixels[pixel + $0]) - background[y][$0]) > 48
        }
        if differs { differentCount += 1 }
      }
    }
    return differentCount * 100 > pixelCount * 6
  }

  // MARK: Colours

  /// The median of each channel, nil without pixels; of an even count the mean of the middle two.
  private func median(_ image: RGBImage, pixels: [Int]) -> [Double]? {
    guard !pixels.isEmpty else { return nil }
    return (0..<3).map { channel in
      let values = pixels.map { image.pixels[$0 + channel] }.sorted()
      let middle = values.count / 2
      if values.count % 2 == 1 { return Double(values[middle]) }
      return (Double(values[middle - 1]) + Double(values[middle])) / 2
    }
  }

  /// The name of the entry with the least squared distance; the first one of equals.
  private func nearest(_ color: [Double]?, in colors: [EvaluationSet.NamedColor]) -> String? {
    guard let color else { return nil }
    var best: (name: String, distance: Double)?
    for entry in colors {
      let distance = zip(color, entry.rgb).reduce(0) { sum, pair in
        let difference = pair.0 - Double(pair.1)
        return sum + difference * difference
      }
      if distance < best?.distance ?? .infinity { best = (entry.name, distance) }
    }
    return best?.name
  }
}
