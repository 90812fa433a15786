import VARKernels

extension RequestPlan {
  /// Throws `memory` unless the request fits.
  ///
  /// - Parameter remedies: changes with which it would fit, each by itself.
  func requireFit(remedies: () -> [Remedy]) throws(VARLiteError) {
    guard shortfallByteCount > 0 else { return }
    let needed = budgetByteCount + shortfallByteCount
    throw VARLiteError(
      .memory,
      "the request takes at least \(ByteCount(needed).text) (\(largestParts())), "
        + "\(ByteCount(budgetByteCount).text) are there for it: "
        + "\(ByteCount(shortfallByteCount).text) short" + pictureAdvice,
      remedies: remedies())
  }

  /// What would help where a picture is too large to be decoded.
  private var pictureAdvice: String {
    let largest = phases.map(\.decodingByteCount).max() ?? 0
    guard largest > 0, shortfallByteCount <= largest else { return "" }
    return "; shrink the largest picture first"
  }

  /// What most of the largest phase is: `keys and values 1.96 GiB, weights 180 MiB, ...`.
  private func largestParts() -> String {
    func size(_ phase: Phase) -> Int {
      phase.bufferByteCount
        + (residency == .stream ? phase.weights.minimumBytes : phase.weights.residentBytes)
    }
    guard let phase = phases.max(by: { size($0) < size($1) }) else { return "" }
    let picture = phase.decodingByteCount
    var parts = phase.partByteCounts.map { ($0.name, $0.byteCount) }
    parts.append(("decoding of a picture", picture))
    parts[1].1 -= picture
    parts.append(("weights", size(phase) - phase.bufferByteCount))
    parts.append(("program", program.byteCount))
    return parts.filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }.prefix(3)
      .map { "\($0) \(ByteCount($1).text)" }.joined(separator: ", ")
  }
}

extension RequestPlan.Phase {
  /// The buffers under the names that people know them by.
  public var partByteCounts: [(name: String, byteCount: Int)] {
    let cached = buffers.filter(\.holdsKeysAndValues).reduce(0) { $0 + $1.byteCount }
    return [("keys and values", cached), ("scratch", bufferByteCount - cached)]
  }

  /// What decoding a picture takes beyond the other buffers.
  fileprivate var decodingByteCount: Int {
    buffers.filter { $0.name == MemoryPlan.pictureName }.reduce(0) { $0 + $1.byteCount }
  }
}
