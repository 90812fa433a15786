import VARLite

/// Draws with progress and a preview after each scale, and stops when it is told to.
///
/// - Parameter stop: `stop.stop(.now)` from another thread ends the work within a layer, with an error;
///   `stop.stop(.afterScale)` ends it behind the present scale, with the picture so far.
func draw(model path: String, into folder: String, stop: StopSignal) throws -> Response? {
  let runtime = try Runtime()
  defer { runtime.close() }
  let model = try runtime.open(path)
  var drawing = DrawingRequest(seed: 7)
  drawing.previews = .everyScale
  let request = Request("Draw a big red circle.", drawing: drawing)
  do {
    let response = try model.run(request, stop: stop) { event in
      if let progress = event.progress, let seconds = progress.secondsLeft {
        print("\(Int(progress.fraction * 100)) %, \(Int(seconds.rounded(.up))) s left")
      }
      if let preview = event.preview {
        try? preview.picture.writePNG(to: "\(folder)/preview-\(preview.scaleCount).png")
      }
    }
    try response.writePNG(to: "\(folder)/circle.png")
    if response.end == .stopped { print("these are the scales so far") }
    return response
  } catch {
    guard error.category == .cancelled else { throw error }
    print("stopped at once: there is no picture")
    return nil
  }
}
