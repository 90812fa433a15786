import VARLite

/// Two models and several requests under one budget; one job is watched by two.
///
/// - Returns: what the two subscribers have seen of the drawing.
func share(
  models paths: [String], picture: String, budgetBytes: Int
) async throws -> [Int] {
  let runtime = try Runtime(options: Runtime.Options(memoryBudgetBytes: budgetBytes))
  defer { runtime.close() }
  let painter = try runtime.open(paths[0])
  let reader = try runtime.open(paths[1])

  // Jobs start at once where they fit together, else in the order in which they were submitted.
  let drawing = try painter.submit(
    Request("Draw a big red circle.", drawing: DrawingRequest(seed: 7)))
  let answer = try reader.submit(
    Request("What color is the circle?", pictures: [Picture(path: picture)]))
  var third = Request("Draw a small green square.", drawing: DrawingRequest(seed: 8))
  third.whenBusy = .isRefused

  // A second subscriber joins at any time: the text so far and the last scale come first.
  async let scales = countScales(drawing)
  async let again = countScales(drawing)
  print("answer: \(try await answer.response().text)")
  let seen = await [scales, again]
  print("drawn: \(try await drawing.response().end == .drawn), scales: \(seen)")

  do {
    print("third: \(try await painter.submit(third).response().end == .drawn)")
  } catch let error as VARLiteError where error.category == .busy {
    print("third: busy, \(runtime.snapshot.runningCount) requests run")
  }
  return seen
}

/// The number of scales that a job has drawn when it ends.
private func countScales(_ job: Job) async -> Int {
  var count = 0
  for await event in job.events { if let scale = event.scale { count = scale.index + 1 } }
  return count
}
