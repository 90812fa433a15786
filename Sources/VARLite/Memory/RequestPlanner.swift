import VARKernels
import VARModels
import VARSystem
import VQ4Format

/// Computes what a request takes: the buffers of each phase from the functions that the phases themselves reserve with.
struct RequestPlanner {
  let model: Model
  let kvType: KVType
  /// Where weights are; `automatic` decides by what fits.
  let residency: Residency

  func plan(
    _ shape: RequestShape, _ budget: MemoryBudget
  ) throws(VARLiteError) -> RequestPlan {
    let phases = try self.phases(shape)
    let least = plan(phases, budget)
    // What is kept for others neither makes a request impossible nor moves its weights.
    guard least.shortfallByteCount == 0 else { return least }
    let counts = keptByteCounts(shape.newPrefixes, isStreaming: least.weightResidency == .stream)
    for byteCount in counts {
      let kept = RequestPlan.Buffer(
        name: RequestPlan.keptName, byteCount: byteCount, holdsKeysAndValues: true)
      let plan = plan(phases.map { $0.adding(kept) }, least.weightResidency, budget)
      if fits(plan, budget) { return plan }
    }
    return least
  }

  private func plan(_ phases: [Phase], _ budget: MemoryBudget) -> RequestPlan {
    if let fixed = residency.fixed { return plan(phases, fixed, budget) }
    let mapped = plan(phases, .map, budget)
    if fits(mapped, budget), (try? model.file.mapWeights()) != nil { return mapped }
    return plan(phases, .stream, budget)
  }

  /// Whether a request fits with all that is kept; mapped weights too where that is not the caller's wish.
  private func fits(_ plan: RequestPlan, _ budget: MemoryBudget) -> Bool {
    guard plan.shortfallByteCount == 0 else { return false }
    switch plan.weightResidency {
    case .stream: return plan.minimumByteCount + plan.keptByteCount <= plan.budgetByteCount
    case .map where residency.fixed == nil:
      return plan.peakByteCount <= budget.namedBytes - budget.claimedBytes
    default: return true
    }
  }

  /// The most that a request may take under the limits on this process, the program included; nil: there are none.
  ///
  /// They count address space: a file that is mapped as a whole, and the stacks of threads.
  private func limit(_ residency: WeightResidency) -> Int? {
    guard let room = model.openedRoomBytes else { return nil }
    let isMapped = residency == .map || model.file.isPayloadMapped
    let threadCount = model.runtime.options.threadCount
    let stacks = threadCount + WeightSources.readerCount(threadCount: threadCount) + 2
    return model.runtime.program.byteCount + room - (isMapped ? model.file.payloadByteCount : 0)
      - stacks * JoinableThread.stackBytes - Self.smallPartsBytes
  }

  /// What requests take besides their buffers: token lists, texts, the file of a picture.
  private static let smallPartsBytes = 12 << 20

  private func plan(
    _ phases: [Phase], _ residency: WeightResidency, _ memory: MemoryBudget
  ) -> RequestPlan {
    let program = model.runtime.program
    let limit = limit(residency) ?? memory.namedBytes
    let budget = max(0, min(memory.namedBytes, limit) - memory.claimedBytes)
    let weights = model.sources.plans(
      residency,
      phases.map { phase in
        let buffers = phase.buffers.reduce(0) { $0 + $1.byteCount }
        return (phase.weights, max(0, budget - program.byteCount - buffers))
      })
    let planned = zip(phases, weights).map { phase, weights in
      RequestPlan.Phase(
        kind: phase.kind, buffers: phase.buffers, weights: weights, passCount: phase.passCount,
        work: phase.work, parts: phase.parts)
    }
    return RequestPlan(
      phases: planned, weightResidency: residency, kvType: kvType, program: program,
      budgetByteCount: budget, isBoundByLimit: limit < memory.namedBytes)
  }

  private struct Phase {
    let kind: RequestPhase
    let weights: WeightPhase
    let buffers: [RequestPlan.Buffer]
    let passCount: Int
    let work: PhaseWork
    var parts: [[PhaseWork]] = []

    func adding(_ buffer: RequestPlan.Buffer) -> Phase {
      Phase(
        kind: kind, weights: weights, buffers: buffers + [buffer], passCount: passCount,
        work: work, parts: parts)
    }
  }

  private func phases(_ shape: RequestShape) throws(VARLiteError) -> [Phase] {
    let options = model.runtime.options
    let compute = buffers {
      _ = model.reserveCompute(&$0)
      // What kernels take of the threads' stacks: the system provides it at the first use and keeps it.
      _ = $0.reserve(
        "threads.stacks",
        byteCount: options.threadCount * options.instructionSet.stackByteCount)
    }
    let session =
      shape.capacity.map { capacity in
        buffers {
          _ = LanguageSession.reserve(
            &$0, model.configuration.languageModel, capacity: capacity, kvType: kvType)
        }
      } ?? []
    let pictureTokens = shape.pictureGrids.reduce(0) { $0 + $1.tokenCount / 4 }
    let embeddings = buffers {
      _ = $0.reserve(
        "vision.embeddings", floats: pictureTokens * model.configuration.languageModel.hiddenSize)
    }
    var phases: [Phase] = []
    if !shape.pictureGrids.isEmpty {
      phases.append(vision(shape, compute + (shape.earlierTokens > 0 ? session : []) + embeddings))
    }
    if shape.promptTokens > 0 {
      phases.append(conversation(shape, compute + session + embeddings))
    }
    if let drawing = shape.drawing {
      let scales = self.drawing(drawing, shape, compute + session)
      let grid = drawing.schedule.finalGrid
      phases += scales
      if shape.previews == .decoded {
        phases.append(try codec(.preview, grid, scales[scales.count - 1].buffers))
      }
      phases.append(try codec(.decoding, grid, compute + (shape.keepsSession ? session : [])))
      // After the picture, a session reads the end of the answer. That is planned here where the picture is planned
      // alone, without the prompt that came before it.
      if shape.keepsSession, shape.promptTokens == 0 {
        phases.append(conversation(shape, compute + session))
      }
    }
    if let grid = shape.decodedGrid {
      if shape.encodes { phases.append(try codec(.encoding, grid, compute, shape)) }
      phases.append(try codec(.decoding, grid, compute))
    }
    return phases
  }

  /// Settings and words of a drawing that is stored.
  private static let savedSettingsBytes = 1 << 14
  /// What becomes of a preview: larger, as a file, and as a terminal takes it.
  private static let shownPreviewBytes = 1 << 20

  private func buffers(_ reserve: (inout MemoryPlan) -> Void) -> [RequestPlan.Buffer] {
    var plan = MemoryPlan()
    reserve(&plan)
    return plan.buffers.filter { $0.byteCount > 0 }
      .map {
        RequestPlan.Buffer(
          name: $0.name, byteCount: $0.byteCount, holdsKeysAndValues: $0.content == .keysAndValues)
      }
  }

  private func vision(_ shape: RequestShape, _ others: [RequestPlan.Buffer]) -> Phase {
    let vision = model.configuration.vision
    let patches = shape.pictureGrids.map(\.tokenCount)
    let own = buffers {
      _ = VisionState.reserve(&$0, vision, patchCapacity: patches.max() ?? 0)
      $0.reservePicture(byteCount: shape.pictureByteCount)
      _ = $0.reserve("vision.patches", floats: patches.reduce(0, +) * vision.patchValues)
    }
    let parts = patches.map { count in
      var work = PhaseWork()
      work.add(model, rows: count) { $0.component == .vision && $0.group != .visionMerger }
      work.add(model, rows: count / 4) { $0.group == .visionMerger }
      work.addAttention(rows: count, keys: count, width: vision.embedDim, layers: vision.depth)
      return [work]
    }
    return Phase(
      kind: .vision, weights: .vision(pictureCount: patches.count), buffers: others + own,
      passCount: patches.count, work: .sum(parts), parts: parts)
  }

  private func conversation(_ shape: RequestShape, _ buffers: [RequestPlan.Buffer]) -> Phase {
    let language = model.configuration.languageModel
    var work = PhaseWork()
    work.add(model, rows: shape.promptTokens) { $0.component == .llm }
    work.addAttention(
      rows: shape.promptTokens, keys: shape.earlierTokens + shape.promptTokens / 2,
      width: language.hiddenSize, layers: language.numHiddenLayers)
    let prompt = work
    if shape.textTokens > 0 {
      var token = PhaseWork()
      let head: TensorSpecification.Component =
        language.tieWordEmbeddings ? .llmEmbedding : .llmHead
      token.add(model, rows: 1) { $0.component == .llm || $0.component == head }
      work.singleRowBytes += token.singleRowBytes * Double(shape.textTokens)
    }
    let rows = max(shape.capacity?.rows ?? 1, 1)
    // Behind a text, the token that starts a picture is read by itself.
    let starts = shape.textTokens > 0 && shape.drawing != nil ? 1 : 0
    return Phase(
      kind: .conversation, weights: .conversation(writesText: shape.textTokens > 0),
      buffers: buffers,
      passCount: (shape.promptTokens + rows - 1) / rows + shape.textTokens + starts, work: work,
      parts: [[prompt]])
  }

  /// The generator's view of the text, then the scales.
  private func drawing(
    _ drawing: ImageDrawing, _ shape: RequestShape, _ others: [RequestPlan.Buffer]
  ) -> [Phase] {
    let language = model.configuration.languageModel
    let generator = model.configuration.generator
    let own = buffers {
      _ = drawing.reserve(&$0, contextTokens: shape.contextTokens, kvType: kvType)
      let bitCount = drawing.schedule.tokenCount * generator.codebookDim
      _ = $0.reserve("image.bits", byteCount: 2 * bitCount)
      // A drawing as a file has it, eight bits to a byte, and the bytes on their way to the disk.
      _ = $0.reserve("image.saved", byteCount: bitCount / 4 + Self.savedSettingsBytes)
      if shape.previews == .quick {
        _ = $0.reserve(
          "image.preview",
          byteCount: drawing.schedule.finalGrid.tokenCount * 3 + Self.shownPreviewBytes)
      }
    }
    func readsText(_ tensor: TensorSpecification) -> Bool { tensor.access == .apart }
    var context = PhaseWork()
    context.add(model, rows: drawing.branches * shape.contextTokens, where: readsText)
    context.add(model, rows: shape.contextTokens) { $0.group == .projectorOut }
    let parts = drawing.steps.map { scale in
      var (read, drawn) = (PhaseWork(), PhaseWork())
      read.add(model, rows: scale.readRowCount) { [.llm, .projector].contains($0.component) }
      drawn.add(model, rows: scale.rowCount) { $0.component == .generator && !readsText($0) }
      read.addAttention(
        rows: scale.readTokenCount,
        keys: shape.contextTokens + scale.cachedReadTokens + scale.readTokenCount,
        width: language.hiddenSize, layers: language.numHiddenLayers)
      drawn.addAttention(
        rows: scale.rowCount, keys: shape.contextTokens + scale.visibleTokens,
        width: generator.embedDim, layers: generator.depth)
      return [read, drawn]
    }
    let scaleCount = drawing.schedule.scales.count
    return [
      Phase(
        kind: .drawingContext, weights: .drawingContext, buffers: others + own, passCount: 1,
        work: context),
      Phase(
        kind: .drawing, weights: .drawing(scaleCount: scaleCount), buffers: others + own,
        passCount: scaleCount, work: .sum(parts), parts: parts),
    ]
  }

  /// The picture tokenizer's way from codes to pixels, or back.
  private func codec(
    _ kind: RequestPhase, _ grid: GridSize, _ others: [RequestPlan.Buffer],
    _ shape: RequestShape = RequestShape()
  ) throws(VARLiteError) -> Phase {
    let (vae, weights) = (model.configuration.vae, try model.namedWeights())
    let threadCount = model.runtime.options.threadCount
    let encodes = kind == .encoding
    let own = buffers {
      if encodes {
        _ = VAEEncoder(vae, weights: weights).reserve(&$0, grid: grid, threadCount: threadCount)
        // The picture at the size of the round trip, as bytes and as numbers.
        let pixelCount = grid.tokenCount * vae.stride * vae.stride
        _ = $0.reserve("vae.picture", byteCount: pixelCount * 3 * (1 + MemoryLayout<Float>.size))
        $0.reservePicture(byteCount: shape.pictureByteCount)
      } else {
        _ = VAEDecoder(vae, weights: weights).reserve(&$0, grid: grid, threadCount: threadCount)
        if kind == .preview {
          // The picture, and what becomes of it.
          let pixelCount = grid.tokenCount * vae.stride * vae.stride
          _ = $0.reserve("image.preview", byteCount: 2 * pixelCount * 3 + Self.shownPreviewBytes)
        }
      }
    }
    // In the order of the file, which is that of execution.
    var levels: [(group: TensorGroup, work: PhaseWork)] = []
    for tensor in model.tensors
    where tensor.component == (encodes ? .vaeEncoder : .vaeDecoder) {
      let shift = vae.halvings(of: tensor.group)
      let pixels = (grid.height * vae.stride >> shift) * (grid.width * vae.stride >> shift)
      if levels.last?.group != tensor.group { levels.append((tensor.group, PhaseWork())) }
      levels[levels.count - 1].work.addConvolution(tensor, of: model, pixels: pixels)
    }
    let parts = [levels.map(\.work)]
    return Phase(
      kind: kind, weights: encodes ? .encoding : .decoding, buffers: others + own, passCount: 1,
      work: .sum(parts), parts: parts)
  }
}

extension MemoryPlan {
  /// Name of what a picture takes while it is decoded beyond what stands in the plan so far.
  static let pictureName = "picture.decoding"

  /// Room to decode and shrink one picture after another. Nothing that was reserved before is in memory yet by then, so
  /// that what is more than all of it is added.
  fileprivate mutating func reservePicture(byteCount: Int) {
    let excess = byteCount - self.byteCount
    if excess > 0 { _ = reserve(Self.pictureName, byteCount: excess) }
  }
}
