import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport
import VARVision

/// Pictures of what is drawn so far.
@Suite struct PreviewTests {
  private static func request(_ previews: DrawingRequest.Previews) -> Request {
    var request = Request("Please paint a red circle.", drawing: DrawingRequest(seed: 3))
    request.drawing?.start = .atOnce
    request.drawing?.previews = previews
    return request
  }

  @Test(arguments: [Residency.map, .load, .stream])
  func previewsChangeNothing(residency: Residency) throws {
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    let plain = try Model(path: path).run(Self.request(.none))
    let model = try Model(path: path, options: .init(threadCount: 2, residency: residency))
    let count = model.configuration.schedule.scales.count
    for (previews, places) in [
      (.none, []), (.count(0), []), (.count(1), [2]), (.count(2), [1, 3]),
      (.everyScale, Array(1..<count)), (.count(count - 1), Array(1..<count)),
    ] as [(DrawingRequest.Previews, [Int])] {
      var seen: [Int] = []
      var pictures: [RGBImage] = []
      let drawn = try model.run(Self.request(previews)) { event in
        guard let preview = event.preview else { return }
        seen.append(preview.scaleCount)
        pictures.append(preview.picture)
      }
      #expect(seen == places, "\(previews)")
      #expect(drawn.picture == plain.picture && drawn.drawing == plain.drawing)
      #expect(pictures.allSatisfy { $0.width == plain.picture?.width })
      guard let last = pictures.last, let number = places.last else { continue }
      // A preview is what the scales so far look like by themselves.
      let stop = StopSignal()
      let partial = try model.run(Self.request(.none), stop: stop) { event in
        if event.scale?.index == number - 1 { stop.stop(.afterScale) }
      }
      #expect(partial.picture == last)
    }
  }

  @Test func previewsArePlanned() throws {
    let model = try TinyModel.f32()
    let plain = try model.plan(Self.request(.none))
    #expect(!plain.phases.contains { $0.kind == .preview })
    #expect(try model.plan(Self.request(.count(0))).phases.map(\.kind) == plain.phases.map(\.kind))
    let previewed = try model.plan(Self.request(.everyScale))
    #expect(previewed.phases.filter { $0.kind != .preview }.map(\.kind) == plain.phases.map(\.kind))
    #expect(previewed.phases.count { $0.kind == .preview } == 1)
    #expect(previewed.peakByteCount >= plain.peakByteCount)
    let preview = try #require(previewed.phases.first { $0.kind == .preview })
    let drawing = try #require(previewed.phases.first { $0.kind == .drawing })
    let decoding = try #require(previewed.phases.first { $0.kind == .decoding })
    // All of the drawing is there while the picture decoder works.
    #expect(preview.bufferByteCount > drawing.bufferByteCount)
    #expect(preview.bufferByteCount > decoding.bufferByteCount)
  }

  /// Quick ones have the colours of the map for the codes so far, and change nothing.
  @Test(arguments: [Residency.map, .load, .stream])
  func quickPreviewsChangeNothing(residency: Residency) throws {
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    let plain = try Model(path: path).run(Self.request(.none))
    let model = try Model(path: path, options: .init(threadCount: 2, residency: residency))
    #expect(model.hasQuickPreviews)
    let map = try #require(model.previewMap)
    let schedule = model.configuration.schedule
    var request = Self.request(.everyScale)
    request.drawing?.previewQuality = .quick
    var previews: [Preview] = []
    var notes = 0
    let drawn = try model.run(request) { event in
      if let preview = event.preview { previews.append(preview) }
      if event.note != nil { notes += 1 }
    }
    #expect(drawn.picture == plain.picture && drawn.drawing == plain.drawing && notes == 0)
    #expect(previews.map(\.scaleCount) == Array(1..<schedule.scales.count))
    let quantizer = BinaryQuantizer(
      codebookDim: model.configuration.vae.codebookDim, schedule: schedule)
    for preview in previews {
      let bits = try #require(drawn.drawing).bits.prefix(preview.scaleCount)
      let colours = quantizer.sum(of: Array(bits)).withRows(columns: map.codebookDim) {
        map.colours(of: $0, grid: schedule.finalGrid)
      }
      #expect(preview.picture.pixels == colours)
      #expect(preview.picture.width == schedule.finalGrid.width)
    }
  }

  /// They take a buffer and no phase; a file without a map takes the picture decoder, and says so once.
  @Test func quickPreviewsArePlanned() throws {
    var request = Self.request(.everyScale)
    request.drawing?.previewQuality = .quick
    let plan = try TinyModel.f32().plan(request)
    #expect(!plan.phases.contains { $0.kind == .preview })
    let drawing = try #require(plan.phases.first { $0.kind == .drawing })
    #expect(drawing.buffers.contains { $0.name == "image.preview" })
    #expect(drawing.buffers.contains { $0.name == "image.saved" })
    let demo = try Runtime(options: .init(threadCount: 2))
      .open(Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4"))
    #expect(try demo.plan(request).phases.contains { $0.kind == .preview })
    var notes: [Note.Kind] = []
    var widths: [Int] = []
    _ = try demo.run(request) { event in
      if let note = event.note { notes.append(note.kind) }
      if let preview = event.preview { widths.append(preview.picture.width) }
    }
    #expect(notes == [.decodedPreviews] && !widths.isEmpty && Set(widths) == [96])
  }

  @Test func aSessionShowsPreviewsToo() throws {
    let model = try TinyModel.f32()
    let session = try ChatSession(model)
    var places: [Int] = []
    let drawn = try session.run(Self.request(.everyScale)) { event in
      if let preview = event.preview { places.append(preview.scaleCount) }
    }
    #expect(places == [1, 2, 3, 4])
    #expect(try drawn.picture == model.run(Self.request(.none)).picture)
  }

  @Test func stoppingInAPreviewEndsTheRequest() throws {
    let model = try TinyModel.f32()
    for moment in [StopSignal.Moment.now, .afterScale] {
      let stop = StopSignal()
      let result = Result {
        try model.run(Self.request(.everyScale), stop: stop) { event in
          if event.preview?.scaleCount == 2 { stop.stop(moment) }
        }
      }
      switch result {
      case .success(let response):
        #expect(moment == .afterScale && response.drawing?.bits.count == 3)
      case .failure(let error): #expect(moment == .now && "\(error)" == "interrupted")
      }
    }
  }
}
