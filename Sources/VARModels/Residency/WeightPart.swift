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

  /// Whether it comes after another part of the file.
  func isBehind(_ other: WeightPart, in directory: some TensorDirectory) -> Bool {
    func place(_ part: WeightPart) -> (Int, Int, Int) {
      switch part {
      case .group(let group): (group, 0, 0)
      case .apart(let group): (group, 1, 0)
      case .slab(_, let index): (part.group(in: directory), 2, index)
      }
    }
    return place(self) > place(other)
  }
}
