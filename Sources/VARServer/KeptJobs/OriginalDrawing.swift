import VARLite
import VARModels

/// A finished drawing whose coarse scales another one may have.
struct OriginalDrawing: Sendable {
  let prompt: String
  let state: DrawingState
  /// As clients write it: width, then height.
  let size: String
}
