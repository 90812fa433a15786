import VARConversion
import VARModels
import VARQuantization
import VQ4Format

/// What a file takes for each choice of how weights are stored, laid out as its writer does it.
struct FileSize {
  private enum Row {
    case vector(byteCount: Int, chunkCount: Int)
    case weight(Int)
  }

  /// The rows of each group, in the order of the file.
  private let groups: [[Row]]
  private let restByteCount: Int
  /// Of each weight and way to store it: bytes of its streams, and the records of their chunks.
  private let weights: [[(streams: [Int], chunkCount: Int)]]

  private static let chunkRecordByteCount = 32
  private static let page = 1 << VQ4Limits.pageShifts.upperBound

  /// - Parameters:
  ///   - tensors: all that the file holds, in its order.
  ///   - weights: those with a choice.
  init(
    _ tensors: [TensorSpecification], _ weights: [MeasuredWeight], vectors: [String: Int],
    restByteCount: Int
  ) {
    self.restByteCount = restByteCount
    let places = Dictionary(uniqueKeysWithValues: weights.enumerated().map { ($1.name, $0) })
    var groups: [(group: TensorGroup, rows: [Row])] = []
    var counts = [[(streams: [Int], chunkCount: Int)]](repeating: [], count: weights.count)
    for tensor in tensors {
      if groups.last?.group != tensor.group { groups.append((tensor.group, [])) }
      let row: Row
      if let place = places[tensor.name] {
        counts[place] = weights[place].choices.map {
          ($0.streamByteCounts, Self.chunkCount(tensor, $0.storage))
        }
        row = .weight(place)
      } else {
        let byteCount = tensor.elementCount * MemoryLayout<Float>.stride
        row = .vector(
          byteCount: vectors[tensor.name] ?? byteCount,
          chunkCount: (byteCount + VQ4Limits.chunkBytes - 1) / VQ4Limits.chunkBytes)
      }
      groups[groups.count - 1].rows.append(row)
    }
    self.groups = groups.map(\.rows)
    self.weights = counts
  }

  /// Bytes of the whole file.
  ///
  /// - Parameter choice: of each weight, the number of the way that it is stored.
  func byteCount(_ choice: [Int]) -> Int {
    let (end, chunkCount) = payload(choice)
    return end + chunkCount * Self.chunkRecordByteCount + restByteCount
  }

  /// Where the weights end, and how many chunks they are.
  private func payload(_ choice: [Int]) -> (end: Int, chunkCount: Int) {
    var end = Self.page
    var chunkCount = 0
    func add(_ byteCount: Int) {
      guard byteCount > 0 else { return }
      end = Self.aligned(end, to: VQ4Limits.streamAlignment) + byteCount
    }
    for rows in groups {
      end = Self.aligned(end, to: Self.page)
      for row in rows {
        switch row {
        case .vector(let byteCount, let count):
          add(byteCount)
          chunkCount += count
        case .weight(let index):
          let weight = weights[index][choice[index]]
          for byteCount in weight.streams { add(byteCount) }
          chunkCount += weight.chunkCount
        }
      }
    }
    return (end, chunkCount)
  }

  private static func aligned(_ offset: Int, to alignment: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }

  private static func chunkCount(_ tensor: TensorSpecification, _ storage: Storage) -> Int {
    let description = VQ4TensorDescription(
      name: tensor.name, elementType: storage.precision.elementType,
      layout: tensor.kind == .table ? .table : .tiles, shape: tensor.shape,
      groupSize: storage.groupSize)
    return VQ4StreamRole.allCases.reduce(0) { $0 + description.chunkCount(of: $1) }
  }

  /// Bytes of a file besides weights, norms, biases and the records of their chunks.
  static func restByteCount(_ file: VQ4File) -> Int {
    var end = page
    var chunkCount = 0
    for group in file.groups {
      end = aligned(end, to: page)
      for tensor in group.tensors {
        for role in VQ4StreamRole.allCases where file.chunkCount(tensor, role) > 0 {
          end = aligned(end, to: VQ4Limits.streamAlignment) + file.storedByteCount(tensor, role)
          chunkCount += file.chunkCount(tensor, role)
        }
      }
    }
    return file.byteCount - end - chunkCount * chunkRecordByteCount
  }
}
