import VARLite

/// Draws as large as the memory allows: applies remedies until the request fits.
///
/// - Returns: the remedies that were applied.
func planAndDraw(model path: String, budgetBytes: Int, into file: String) throws -> [Remedy] {
  let runtime = try Runtime(options: Runtime.Options(memoryBudgetBytes: budgetBytes))
  defer { runtime.close() }
  let model = try runtime.open(path)
  var request = Request("Draw a big red circle.", drawing: DrawingRequest(size: .pixels(1024)))
  var applied: [Remedy] = []
  while true {
    let plan = try model.plan(request)
    print("\(plan.peakByteCount >> 20) MiB, \(plan.shortfallByteCount >> 20) MiB missing")
    do {
      try model.run(request).writePNG(to: file)
      return applied
    } catch {
      // Each remedy helps by itself. Those outside of the request, as a larger budget, do not apply.
      let ways = error.remedies ?? []
      guard let way = ways.first(where: { request.applying($0) != nil }) else { throw error }
      request = request.applying(way)!
      applied.append(way)
    }
  }
}
