internal import MarketModel
internal import Primitives
internal import TapeCodec

extension ColumnDecoder {
    /// Returns what was taken, as JSON: the rows, and the ordinals and the checksum of each source
    /// and partition. `isComplete`: a recording was read to its end.
    package func provenance(isComplete: Bool, interface: Int) -> String {
        JSONWriter.made { json in
            json.member("interface", interface)
            json.object("rows") { json in
                for kind in ColumnKind.allCases where kinds.contains(kind) {
                    json.member("\(kind)", rowsTaken(of: kind))
                }
            }
            json.member("complete", isComplete)
            json.array("lanes", of: lanes) { json, lane in lane.write(into: &json) }
        }.text
    }
}

extension Lane {
    fileprivate func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("stream", key.kind == .bars ? "bars" : "ticks")
            json.member("source", key.source.text)
            json.member("partition", key.partition.number)
            json.member("first", first)
            json.member("last", last)
            json.member("packets", packets)
            let digits = String(checksum, radix: 16)
            json.member("checksum", String(repeating: "0", count: 16 - digits.count) + digits)
            json.member("epochs", pair: (epochs.lowerBound, epochs.upperBound))
            json.member("sequences", pair: (sequences.first, sequences.last))
            json.member("missing", missing)
            json.key("holes")
            json.array { json in
                for hole in holes {
                    json.array { json in
                        json.value(hole.lowerBound)
                        json.value(hole.upperBound)
                    }
                }
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: String, pair: (UInt64, UInt64)) {
        array(name) { json in
            json.value(pair.0)
            json.value(pair.1)
        }
    }
}
