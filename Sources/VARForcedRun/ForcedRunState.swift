/// Where a forced run stands between two layers: another run of the same cases can go on from here, to the same bits.
package struct ForcedRunState: Sendable, Equatable {
  package enum Stage: String, Sendable, CaseIterable { case vision, language, generator }

  package var stage: Stage
  /// The layer of the stage that follows.
  package var layer: Int
  /// What goes into it: of each picture, of each case, or of each drawing its text features and then its scales.
  package var values: [[Float]]

  package init(stage: Stage, layer: Int, values: [[Float]]) {
    self.stage = stage
    self.layer = layer
    self.values = values
  }
}
