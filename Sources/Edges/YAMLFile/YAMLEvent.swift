/// One step of libyaml's parser, as plain values.
struct YAMLEvent {
    enum Kind {
        case streamStart
        case streamEnd
        case documentStart
        case documentEnd
        case alias
        case scalar(YAMLScalar)
        case sequenceStart
        case sequenceEnd
        case mappingStart
        case mappingEnd
    }

    var kind: Kind
    var position: YAMLPosition
    /// `&name` before a value.
    var hasAnchor = false
    /// `!name` before a value.
    var hasTag = false
}
