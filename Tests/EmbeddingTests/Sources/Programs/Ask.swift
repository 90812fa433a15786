import VARLite

/// Asks about a picture; the answer appears as it is written.
func ask(model path: String, picture: String) throws -> String {
  let runtime = try Runtime()
  defer { runtime.close() }
  let model = try runtime.open(path)
  let request = Request("What color is the circle?", pictures: [Picture(path: picture)])
  let response = try model.run(request) { event in
    if let text = event.text { print(text, terminator: "") }
  }
  print("\n\(response.usage.promptTokens) tokens read, \(response.usage.textTokens) written")
  return response.text
}
