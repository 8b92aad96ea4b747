/// Which columns the batches of a kind have, in which order and form.
package struct ColumnShape: Sendable {
    /// The forms that may replace those of `ColumnLayout`.
    package struct Forms: OptionSet, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Prices and sizes as floats.
        package static let floats = Forms(rawValue: 1 << 0)
        /// Texts as their numbers.
        package static let numbers = Forms(rawValue: 1 << 1)
    }

    package let kind: ColumnKind
    package let columns: [ColumnLayout]
    /// The place of each column among those of the kind.
    package let places: [Int]
    /// The zone that the type of times names.
    package let zone: String

    /// All columns of a kind, as they are listed.
    package init(of kind: ColumnKind) {
        self.init(of: kind, Array(kind.columns.indices), [], zone: "UTC")
    }

    /// The columns of these names. Throws for a name that is none, or that comes twice.
    package init(
        of kind: ColumnKind, names: [String], _ forms: Forms, zone: String
    ) throws(DecodeError) {
        var places: [Int] = []
        for name in names {
            guard let place = kind.columns.firstIndex(where: { $0.name == name }) else {
                throw DecodeError(.invalid, "\(kind) have no column '\(name)'")
            }
            guard !places.contains(place) else {
                throw DecodeError(.invalid, "the column '\(name)' is named twice")
            }
            places.append(place)
        }
        self.init(
            of: kind, names.isEmpty ? Array(kind.columns.indices) : places, forms, zone: zone)
    }

    private init(of kind: ColumnKind, _ places: [Int], _ forms: Forms, zone: String) {
        self.kind = kind
        self.places = places
        self.zone = zone
        columns = places.map { place in
            let column = kind.columns[place]
            return ColumnLayout(column.name, Self.form(column.form, forms), column.missing)
        }
    }

    private static func form(_ form: ColumnLayout.Form, _ forms: Forms) -> ColumnLayout.Form {
        switch form {
        case .fixed(let decimals) where forms.contains(.floats): .float(decimals: decimals)
        case .text(let texts) where forms.contains(.numbers): .number(texts)
        case .time, .fixed, .float, .int64, .uint64, .uint32, .uint16, .uint8, .decimal, .text,
            .number, .bytes:
            form
        }
    }

    /// The texts of a column; `nil`: the column has none, or there is none of this name.
    package func texts(of name: String) -> ColumnTexts? {
        switch columns.first(where: { $0.name == name })?.form {
        case .text(let texts), .number(let texts): texts
        case .time, .fixed, .float, .int64, .uint64, .uint32, .uint16, .uint8, .decimal, .bytes,
            nil:
            nil
        }
    }
}
