import Testing
import VARJSON
import VARLite
import VARModels
import VARTestSupport

/// Which scales a request is drawn with.
@Suite struct ScheduleSelectionTests {
  static func configuration() throws -> VARGPTConfiguration {
    try VARGPTConfiguration(config: JSONValue(parsing: Fixtures.bytes("tiny/config.json")))
  }

  private func code(_ body: () throws -> ScaleSchedule) -> VARLiteError.Category? {
    do {
      _ = try body()
      return nil
    } catch {
      return (error as? VARLiteError)?.category
    }
  }

  @Test func templatesGrowToTheirBudget() {
    #expect(AspectTemplate.all.count == 15)
    for template in AspectTemplate.all {
      #expect(template.grids.count == 13 && template.grids[0] == GridSize(height: 1, width: 1))
      for (coarse, fine) in zip(template.grids, template.grids.dropFirst()) {
        #expect(
          coarse.height <= fine.height && coarse.width <= fine.width && coarse != fine,
          "\(template.name): \(coarse) to \(fine)")
      }
      for budget in PixelBudget.allCases {
        let grid = template.grids[budget.scaleCount - 1]
        let side = Double(budget.squareSizePixels)
        let area = Double(grid.tokenCount * 256) / (side * side)
        #expect((0.75...1.3).contains(area), "\(template.name), \(budget): area \(area)")
        let ratio = Double(grid.height) / Double(grid.width) / template.heightOverWidth
        #expect((0.9...1.1).contains(ratio), "\(template.name), \(budget): ratio \(ratio)")
      }
    }
  }

  @Test(arguments: AspectTemplate.all, PixelBudget.allCases)
  func everyShapeHasEveryBudget(template: AspectTemplate, budget: VARModels.PixelBudget) throws {
    let configuration = try Self.configuration()
    let schedule = try ScheduleSelection.schedule(
      configuration, size: .budget(budget),
      aspect: .ratio(width: 1000, height: 1000 * template.heightOverWidth))
    #expect(schedule.scales == Array(template.grids.prefix(budget.scaleCount)))
    #expect(schedule.ropeReference == template.grids[12])
    let byPixels = try ScheduleSelection.schedule(
      configuration, size: .pixels(budget.squareSizePixels),
      aspect: .ratio(width: 1000, height: 1000 * template.heightOverWidth))
    #expect(byPixels == schedule)
  }

  @Test func theModelsOwnScalesAreTheDefault() throws {
    var configuration = try Self.configuration()
    let own = AspectTemplate.nearest(heightOverWidth: 1).schedule(scaleCount: 4)
    configuration.schedule = own
    let selected = try ScheduleSelection.schedule(
      configuration, size: .modelDefault, aspect: .modelDefault)
    #expect(selected == own)
    // Another shape keeps the number of scales; the model's own size in pixels is that of its scales.
    let wide = try ScheduleSelection.schedule(
      configuration, size: .modelDefault, aspect: .ratio(width: 2, height: 1))
    #expect(wide == AspectTemplate.nearest(heightOverWidth: 0.5).schedule(scaleCount: 4))
    let byPixels = try ScheduleSelection.schedule(
      configuration, size: .pixels(96), aspect: .modelDefault)
    #expect(byPixels == own)
  }

  @Test func scalesOfNoTemplateHaveOneShape() throws {
    var configuration = try Self.configuration()
    let grids = [(1, 1), (3, 3), (2, 5)].map { GridSize(height: $0, width: $1) }
    let own = ScaleSchedule(scales: grids, ropeReference: GridSize(height: 20, width: 50))
    configuration.schedule = own
    func select(_ size: DrawingSize, _ aspect: DrawingAspect) throws -> ScaleSchedule {
      try ScheduleSelection.schedule(configuration, size: size, aspect: aspect)
    }
    #expect(try select(.modelDefault, .modelDefault) == own)
    #expect(code { try select(.modelDefault, .ratio(width: 1, height: 1)) } == .request)
    #expect(code { try select(.pixels(80), .modelDefault) } == .request)
    let named = try select(.pixels(256), .modelDefault)
    #expect(named == AspectTemplate.nearest(heightOverWidth: 0.4).schedule(scaleCount: 7))
  }

  private func grid(
    _ configuration: VARGPTConfiguration, _ width: Double, _ height: Double,
    _ size: DrawingSize = .modelDefault
  ) throws -> GridSize {
    try ScheduleSelection.schedule(
      configuration, size: size, aspect: .nearest(width: width, height: height)
    ).finalGrid
  }

  @Test func theNearestShapeIsOneThatTheModelKnows() throws {
    var configuration = try Self.configuration()
    configuration.schedule = AspectTemplate.nearest(heightOverWidth: 1).schedule(scaleCount: 4)
    // The file names no sizes: every official shape.
    #expect(try grid(configuration, 200, 100) == GridSize(height: 3, width: 6))
    #expect(try grid(configuration, 100, 101) == GridSize(height: 6, width: 6))
    #expect(try grid(configuration, 200, 100, .pixels(256)) == GridSize(height: 11, width: 22))
    // Only its own.
    configuration.training.sizes = [PixelSize(height: 96, width: 96)]
    for (width, height) in [(200.0, 100.0), (1, 30), (5, 5)] {
      #expect(try grid(configuration, width, height) == GridSize(height: 6, width: 6))
    }
    // Its own and a tall one: a wide picture is nearer to the square.
    configuration.training.sizes.append(PixelSize(height: 96, width: 48))
    #expect(try grid(configuration, 100, 190) == GridSize(height: 6, width: 3))
    #expect(try grid(configuration, 190, 100) == GridSize(height: 6, width: 6))
    // A size that it does not know has the shape of its own.
    #expect(try grid(configuration, 190, 100, .pixels(256)) == GridSize(height: 16, width: 16))
    // A shape that is named is taken.
    let named = try ScheduleSelection.schedule(
      configuration, size: .modelDefault, aspect: .ratio(width: 2, height: 1))
    #expect(named.finalGrid == GridSize(height: 3, width: 6))
    #expect(!configuration.knows(named.finalGrid))
    let line = DrawingAspect.nearest(width: 0, height: 1)
    let refused = code {
      try ScheduleSelection.schedule(configuration, size: .modelDefault, aspect: line)
    }
    #expect(refused == .request)
  }

  @Test func scalesOfNoTemplateStayTheirOwnForAnyPicture() throws {
    var configuration = try Self.configuration()
    let grids = [(1, 1), (3, 3), (2, 5)].map { GridSize(height: $0, width: $1) }
    configuration.schedule = ScaleSchedule(
      scales: grids, ropeReference: GridSize(height: 20, width: 50))
    #expect(try grid(configuration, 10, 30) == grids[2])
    #expect(try grid(configuration, 10, 20, .pixels(256)) == GridSize(height: 22, width: 11))
  }

  @Test func impossibleRequestsAreRefused() throws {
    var configuration = try Self.configuration()
    func select(_ size: DrawingSize, _ aspect: DrawingAspect) throws -> ScaleSchedule {
      try ScheduleSelection.schedule(configuration, size: size, aspect: aspect)
    }
    for (width, height) in [(0.0, 1.0), (1, 0), (-1, 1), (.nan, 1), (1, .infinity)] {
      let aspect = DrawingAspect.ratio(width: width, height: height)
      #expect(code { try select(.budget(.budget006M), aspect) } == .request, "\(aspect)")
    }
    for pixels in [-1, 0, 255, 4096] {
      #expect(code { try select(.pixels(pixels), .modelDefault) } == .request)
    }
    configuration.generator.numLevels = 9
    #expect(code { try select(.budget(.budget025M), .modelDefault) } == .request)
    #expect(code { try select(.budget(.budget006M), .modelDefault) } == nil)
  }
}
