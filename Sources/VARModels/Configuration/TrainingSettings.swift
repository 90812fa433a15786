import VARJSON

/// Height and width of a picture in pixels.
public struct PixelSize: Sendable, Equatable {
  /// In pixels, as the width is.
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}

/// What a model met in its training, where its file says so.
package struct TrainingSettings: Sendable, Equatable {
  /// Sizes of the pictures that it learned to draw and to look at; empty: the file does not say.
  package var sizes: [PixelSize]

  /// Sizes that a file may name.
  private static let largestCount = 256
  private static let sides = 1...16384

  init(_ reader: ConfigurationReader?) throws(ConfigurationError) {
    sizes = []
    guard let reader, let value = reader.value("sizes") else { return }
    let isRight = (value.arrayValue?.count).map { $0 <= Self.largestCount } ?? false
    sizes = (value.arrayValue ?? []).compactMap { entry in
      let numbers = entry.arrayValue?.compactMap(\.integerValue) ?? []
      guard numbers.count == 2, numbers.count == entry.arrayValue?.count,
        numbers.allSatisfy(Self.sides.contains)
      else { return nil }
      return PixelSize(height: numbers[0], width: numbers[1])
    }
    guard isRight, sizes.count == value.arrayValue?.count else {
      throw ConfigurationError(
        code: .malformed, key: "vargpt_gen.training.sizes",
        detail: "a list of at most \(Self.largestCount) sizes [height, width] with sides of "
          + "\(Self.sides.lowerBound)...\(Self.sides.upperBound) pixels is expected")
    }
  }

  var json: JSONValue {
    let sizes = sizes.map { JSONValue.array([.integer($0.height), .integer($0.width)]) }
    return .object(JSONObject([("sizes", .array(sizes))]))
  }
}

extension VARGPTConfiguration {
  /// Whether the model was trained to draw pictures of a final grid; true where its file does not say.
  package func knows(_ grid: GridSize) -> Bool {
    let size = PixelSize(height: grid.height * vae.stride, width: grid.width * vae.stride)
    return training.sizes.isEmpty || training.sizes.contains(size)
  }
}
