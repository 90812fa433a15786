import VARLite

/// Remedies in the words of the command line.
enum RemedyText {
  /// What stands behind an error's own words; empty where there is nothing to say.
  static func advice(_ error: VARLiteError) -> String {
    guard let remedies = error.remedies else {
      switch error.category {
      case .memoryUnknown: return "; say how much with --ram"
      case .memory: return "; use a smaller size or fewer --max-tokens"
      // Only a model that was left the decision draws nothing.
      case .nothingDrawn: return "; it is made to draw without --let-model-decide"
      default: return ""
      }
    }
    guard !remedies.isEmpty else { return "; nothing smaller fits" }
    // The error itself says that the picture is too large.
    if remedies == [Remedy(.smallerPictureFile)] { return "" }
    return "; it fits with " + remedies.map(flag).joined(separator: ", or ")
  }

  private static func flag(_ remedy: Remedy) -> String {
    switch remedy.kind {
    case .streamedWeights: "--residency stream"
    case .int8Cache: "--kv int8"
    case .fewerTokens: "--max-tokens \(remedy.value)"
    case .smallerDrawing: "--size \(remedy.value) (a smaller size)"
    case .coarseGuidance: "--fast 1"
    case .noGuidance: "--cfg-scale 1"
    case .smallerPictures: "--max-pixels \(remedy.value)"
    case .largerBudget: "--ram \(remedy.value >> 20)M"
    case .higherLimit: "a limit on memory (ulimit -v) that is \(remedy.value) bytes higher"
    case .fewerThreads: "fewer --threads"
    default: remedy.kind.rawValue
    }
  }
}
