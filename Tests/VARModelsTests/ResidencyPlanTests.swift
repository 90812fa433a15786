import Testing
import VARModels
import VARTestSupport
import VQ4Format

/// What a source will do is known before anything is read.
@Suite struct ResidencyPlanTests {
  private func passes(_ blocks: WeightBlocks) throws -> [WeightPass] {
    let tensors = try DemoFile.tensors(blocks.file)
    return DemoFile.phases.map { WeightPass($0, tensors: tensors, blocks: blocks) }
  }

  /// Every weight that is not read by rows belongs to a phase, and only those of the phase's networks.
  @Test func phasesCoverTheFile() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file, slabCodeBytes: 4096)
    let all = Set(try passes(blocks).flatMap(\.parts))
    for (tensor, entry) in file.tensors.enumerated() {
      let isCovered = all.contains { part in
        blocks.contents(of: part).contains { $0.tensor == tensor }
      }
      #expect(isCovered == (entry.description.layout != .table), "\(entry.name)")
    }
    for pass in try passes(blocks) { #expect(Set(pass.parts).count == pass.parts.count) }
    let conversation = try passes(blocks)[1]
    let names = conversation.parts.flatMap { blocks.contents(of: $0) }
      .map { file.tensors[$0.tensor].name }
    #expect(names.allSatisfy { $0.hasPrefix("model.") })
    let drawing = try passes(blocks)[4]
    #expect(
      !drawing.parts.flatMap { blocks.contents(of: $0) }.contains {
        file.tensors[$0.tensor].name.contains("mat_kv")
          || file.tensors[$0.tensor].name == "lm_head.weight"
      })
  }

  /// Slabs are rows one after the other, and hold all of the stream.
  @Test(arguments: [1, 4096, 20_000, 1 << 25])
  func slabsCoverTheHead(slabCodeBytes: Int) throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file, slabCodeBytes: slabCodeBytes)
    let head = try #require(file.tensorIndex(named: "lm_head.weight"))
    var slab = 0
    var next = 0
    while blocks[.slab(tensor: head, index: slab)] != nil {
      let codes = try #require(
        blocks.contents(of: .slab(tensor: head, index: slab)).first { $0.role == .codes })
      #expect(codes.bytes.lowerBound == next)
      next = codes.bytes.upperBound
      slab += 1
    }
    #expect(next == file.tensors[head].description.byteCount(of: .codes))
    #expect(slab > 1 || slabCodeBytes > 100_000)
  }

  @Test func aLargerBudgetStreamsLess() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file, slabCodeBytes: 8192)
    for pass in try passes(blocks) {
      func plan(_ budgetBytes: Int?) -> WeightPlan {
        WeightResidency.stream.plan(
          pass, blocks: blocks, budgetBytes: budgetBytes, threadCount: 1)
      }
      let whole = plan(nil)
      #expect(whole.fits && whole.diskBytesPerPass == 0 && whole.ringBytes == 0)
      let load = WeightResidency.load.plan(
        pass, blocks: blocks, budgetBytes: nil, threadCount: 1)
      #expect(whole.residentBytes == load.residentBytes)
      #expect(!plan(whole.minimumBytes - 1).fits)
      // What does not fit is planned as what just fits, so that people see what it would read.
      let least = plan(whole.minimumBytes)
      #expect(least.diskBytesPerPass > 0)
      for budget in [whole.minimumBytes - 1, 0] {
        let tooSmall = plan(budget)
        #expect(tooSmall.kept == least.kept && tooSmall.ringBytes == least.ringBytes)
        #expect(
          [tooSmall.minimumBytes, tooSmall.residentBytes, tooSmall.diskBytesPerPass]
            == [least.minimumBytes, least.residentBytes, least.diskBytesPerPass])
      }
      var streamed = Int.max
      for step in 0...16 {
        let budget =
          whole.minimumBytes + (whole.residentBytes - whole.minimumBytes) * step / 16
        let plan = plan(budget)
        #expect(plan.fits && plan.residentBytes <= budget)
        let tail = pass.parts.filter { !plan.kept.contains($0) }
        #expect(
          plan.diskBytesPerPass == tail.reduce(0) { $0 + (blocks[$1]?.storedBytes ?? 0) })
        #expect(tail.allSatisfy { (blocks[$0]?.byteCount ?? 0) <= plan.ringBytes })
        #expect(plan.kept.isSuperset(of: pass.held))
        if pass.passCount != 1 || step == 16 { #expect(plan.diskBytesPerPass <= streamed) }
        streamed = plan.diskBytesPerPass
      }
      #expect(streamed == 0)
    }
  }
}
