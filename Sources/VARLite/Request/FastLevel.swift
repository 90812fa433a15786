extension DrawingRequest {
  /// Pictures that take less work, each much like the full one.
  public enum FastLevel: Int, Sendable, CaseIterable {
    /// The coarse scales alone are guided.
    case coarseGuidance = 1
    /// Besides, the language model reads a quarter of the other scales' tokens.
    case sparseReading

    /// The scales that are guided.
    public var guidedScales: LeadingScales { .coarse }

    /// The scales of which the language model reads every token.
    public var denseScales: LeadingScales { self == .sparseReading ? .coarse : .all }
  }
}
