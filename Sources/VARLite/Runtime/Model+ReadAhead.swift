extension Model {
  private static let largestReadAhead = 1 << 30
  /// Of files below that all is read before anybody could wait for it.
  private static let smallestFile = 64 << 20

  /// Has the first layers read that a request will use in the pages of the file, where requests will do so.
  func readFirstLayers() {
    // A limit on the address space may leave none for the file beside a request.
    guard openedRoomBytes == nil, file.payloadByteCount >= Self.smallestFile,
      let budget = try? runtime.ledger.budget()
    else { return }
    let byteCount = budget.namedBytes - budget.claimedBytes
    let isMapped =
      switch options.residency {
      case .map: true
      case .automatic: file.payloadByteCount <= byteCount
      default: false
      }
    guard isMapped else { return }
    sources.readFirstLayers(atMost: min(byteCount / 8, Self.largestReadAhead))
  }
}
