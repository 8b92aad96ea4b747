import LatestValues
import Primitives

/// The latest values of some symbols for the page that shows them.
struct LatestDocument {
    /// The most values that are read and shown.
    static let valuesMax = 256

    let values: [LatestValue]
    /// How many there are besides.
    var more = 0
    /// Why the feeds, or the gaps, are not known.
    let problems: [String]
    /// When they were read, by the wall clock.
    let time: Timestamp

    var json: [UInt8] {
        JSONWriter.made(capacity: 16_384) { writer in
            writer.member("time", time.description)
            writer.array("problems") { writer in
                for problem in problems { writer.value(OverviewMaker.line(problem)) }
            }
            writer.member("items", each: values) { $0.write(into: &$1, time) }
            writer.member("more", more)
        }.bytes
    }
}
