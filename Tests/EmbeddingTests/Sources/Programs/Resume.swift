import VARLite

/// Stops a drawing after two scales, goes on from its saved state, and draws a variation of it.
func resume(model path: String, into folder: String) throws {
  let runtime = try Runtime()
  defer { runtime.close() }
  let model = try runtime.open(path)
  var request = Request("Draw a big red circle.", drawing: DrawingRequest(seed: 7))

  let stop = StopSignal()
  let half = try model.run(request, stop: stop) { event in
    if let scale = event.scale, scale.index == 1 { stop.stop(.afterScale) }
  }
  let saved: [UInt8] = half.drawing!.serialized

  // Later, perhaps in another process: the same prompt, and what was saved.
  let state = try DrawingState(serialized: saved)
  request.drawing = DrawingRequest(resuming: state)
  try model.run(request).writePNG(to: "\(folder)/whole.png")

  // The first scale says where things are; the other seed draws the rest anew.
  request.drawing = DrawingRequest(varying: state, keepingScales: 1, seed: 8)
  try model.run(request).writePNG(to: "\(folder)/variation.png")

  // What the saved scales look like by themselves.
  try model.picture(of: state).writePNG(to: "\(folder)/half.png")
}
