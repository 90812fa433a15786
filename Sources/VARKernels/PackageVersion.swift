/// The version of the whole package: the library, its programs and what they write into files.
package enum PackageVersion {
  /// Major, minor and patch number, as the tag of the release without its `v`.
  package static let text = "0.1.0"
}
