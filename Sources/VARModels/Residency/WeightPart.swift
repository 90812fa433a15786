/// Weights that are read, held and given back together.
package enum WeightPart: Hashable, Sendable {
  /// The tensors of a group without those of the other cases, and without tables, whose rows are read one by one.
  case group(Int)
  /// The tensors of a group that are read at another time than the rest.
  case apart(Int)
  /// Some row tiles of a large matrix, whose product is made part by part.
  case slab(tensor: Int, index: Int)

  /// The group that it is part of.
  package func group(in directory: some TensorDirectory) -> Int {
    switch self {
    case .group(let group), .apart(let group): group
    case .slab(let tensor, _): directory.group(ofTensor: tensor)
    }
  }

  /// Which slab of its tensor it is; nil where it is none.
  var slab: Int? {
    if case .slab(_, let index) = self { index } else { nil }
  }
}
