import VARForcedRun
import VARLite
import VARVision

/// One picture as the reference and a model draw it of the same seed, each by itself.
package struct PicturePair: Sendable {
  package let prompt: String
  package let reference, drawn: RGBImage

  /// In dB; 99 for equal pictures.
  package var psnr: Double { peakSignalToNoise(drawn, reference) }
  /// 1 for equal pictures.
  package var similarity: Double { structuralSimilarity(drawn, reference) }
}

/// What a model draws of the first cases that have a picture.
struct FreeDrawings {
  let requests: [Request]

  init(_ cases: [ForcedCase], count: Int) {
    requests = cases.filter { $0.picture != nil }.prefix(count).enumerated().map { index, item in
      var request = item.request
      var drawing = DrawingRequest(seed: UInt64(index))
      drawing.start = .atOnce
      request.drawing = drawing
      return request
    }
  }

  /// - Parameter progress: told how many are drawn.
  func pictures(
    by model: Model, stop: StopSignal, progress: (Int) -> Void
  ) throws(VARLiteError) -> [RGBImage] {
    var pictures: [RGBImage] = []
    for (index, request) in requests.enumerated() {
      progress(index)
      pictures.append(try model.run(request, stop: stop).requiredPicture())
    }
    return pictures
  }
}
