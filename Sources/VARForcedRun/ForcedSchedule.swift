import VARLite
import VARModels
import VARVision

/// The scales that pictures of cases have: those of 256 x 256 pixels, or the model's own where these are fewer tokens.
package struct ForcedSchedule {
  /// What a picture is resized to for it.
  package let size: DrawingSize
  let scales: ScaleSchedule
  private let stride: Int

  package init(_ configuration: VARGPTConfiguration) {
    let own = configuration.schedule
    let small = DrawingSize.pixels(256)
    stride = configuration.vae.stride
    if let scales = try? ScheduleSelection.schedule(
      configuration, size: small, aspect: .modelDefault),
      scales.finalGrid.tokenCount < own.finalGrid.tokenCount
    {
      (size, self.scales) = (small, scales)
    } else {
      (size, scales) = (.modelDefault, own)
    }
  }

  /// Width and height of a picture, in pixels.
  var extents: (width: Int, height: Int) {
    (scales.finalGrid.width * stride, scales.finalGrid.height * stride)
  }

  /// Bits of each scale.
  package func bitCounts(_ configuration: VARGPTConfiguration) -> [Int] {
    scales.scales.map { $0.tokenCount * configuration.generator.codebookDim }
  }

  /// Tokens of a picture.
  var tokenCount: Int { scales.scales.reduce(0) { $0 + $1.tokenCount } }
}
