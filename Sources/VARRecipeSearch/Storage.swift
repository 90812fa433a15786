import VARModels
import VARQuantization

/// How a weight may be stored: what a search chooses between.
package struct Storage: Hashable, Sendable {
  package let precision: Precision
  /// Inputs that share a scale; 0 for floats.
  package let groupSize: Int

  package init(_ precision: Precision, groupSize: Int) {
    self.precision = precision
    self.groupSize = precision.isInteger ? groupSize : 0
  }

  /// `int4/64`, `f16`.
  package var name: String {
    precision.isInteger ? "\(precision.rawValue)/\(groupSize)" : precision.rawValue
  }

  static let int4 = Storage(.int4, groupSize: Precision.int4.defaultGroupSize)
  static let int8 = Storage(.int8, groupSize: Precision.int8.defaultGroupSize)
  static let f16 = Storage(.f16, groupSize: 0)

  /// What becomes of it where a row has so many elements.
  func fitted(cols: Int) -> Storage {
    guard precision.isInteger else { return self }
    return precision.groupSize(wanted: groupSize, cols: cols).map {
      Storage(precision, groupSize: $0)
    } ?? .f16
  }

  /// What a weight may become, each once, the smallest first.
  static func choices(for weight: TensorSpecification) -> [Storage] {
    let all: [Storage]
    switch weight.component {
    // The signs of what it gives are the bits of a picture.
    case .vaeEncoder: all = [.f16]
    // Little work, and their errors are the picture's.
    case .vaeDecoder
    where weight.layer == nil && weight.name.hasSuffix("conv.weight")
      && (weight.group == .decoderOutput || weight.name.contains(".conv_in.")):
      all = [.f16]
    // Four bits cost a picture more than their bytes are worth.
    case .vaeDecoder:
      all = [Storage(.int8, groupSize: 128), Storage(.int8, groupSize: 64), .f16]
    default:
      all = [
        Storage(.int4, groupSize: 128), Storage(.int4, groupSize: 64), .int4,
        Storage(.int8, groupSize: 128), .int8, .f16,
      ]
    }
    var choices: [Storage] = []
    for storage in all.map({ $0.fitted(cols: weight.cols) }) where !choices.contains(storage) {
      choices.append(storage)
    }
    return choices
  }
}

extension TensorSpecification {
  /// Elements of a row as they are stored.
  var cols: Int { shape.dropFirst().reduce(1, *) }
  var elementCount: Int { shape.reduce(1, *) }
}
