package gobfile

import "pushgateway/internal/excerpt"

// A file defines its types before the value, each in a message with the negated
// number of the type and gob's struct wireType. Different builds number them
// differently, and define more than are used: those that MetricFamily would
// consist of if it did not encode itself.

// The kind of a type is the field of wireType that it has. These are the field
// numbers.
const (
	kindStruct = 2
	kindMap    = 3
	kindItself = 4 // it encodes itself
)

// stringType is gob's number for strings.
const stringType = 6

// Bounds of the definitions. A file has about 25 of them; the longest takes 300
// bytes.
const (
	maxTypes    = 1000
	maxTypeSize = 64 << 10
)

// typeDef is one type of a file.
type typeDef struct {
	kind      int
	key, elem int64      // type numbers of the parts of a map
	fields    []fieldDef // of a struct
}

type fieldDef struct {
	name string
	typ  int64
}

// readTypes reads definitions up to the message with the value. It returns them
// and the type number of the value.
func (r *reader) readTypes() (types map[int64]typeDef, top int64, err error) {
	types = make(map[int64]typeDef)
	for len(types) <= maxTypes {
		if err := r.nextMessage(); err != nil {
			return nil, 0, err
		}
		id, err := r.int()
		if err != nil || id >= 0 {
			return types, id, err
		}
		if r.left > maxTypeSize {
			return nil, 0, r.damaged("the definition of a type has %d bytes", r.left)
		}
		if _, twice := types[-id]; twice {
			return nil, 0, r.damaged("the type %d is defined twice", -id)
		}
		if types[-id], err = r.readType(); err != nil {
			return nil, 0, err
		}
		if err := r.skipMessage(); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, r.damaged("the file has more than %d types", maxTypes)
}

// readType reads the relevant parts of a definition.
func (r *reader) readType() (t typeDef, err error) {
	kind, err := r.uint()
	if err != nil {
		return t, err
	}
	if kind == 0 || kind > 7 {
		return t, r.damaged("a type has no kind")
	}
	switch t.kind = int(kind) - 1; t.kind {
	case kindMap:
		err = r.readMapType(&t)
	case kindStruct:
		err = r.readStructType(&t)
	}
	return t, err
}

// readMapType reads gob's struct mapType: a commonType, the key, the element.
func (r *reader) readMapType(t *typeDef) error {
	return r.eachField(func(number int) (err error) {
		switch number {
		case 0:
			err = r.readCommonType()
		case 1:
			t.key, err = r.int()
		case 2:
			t.elem, err = r.int()
		default:
			err = r.damaged("a map type has a field %d", number)
		}
		return err
	})
}

// readStructType reads gob's struct structType: a commonType and the fields.
func (r *reader) readStructType(t *typeDef) error {
	return r.eachField(func(number int) (err error) {
		switch number {
		case 0:
			err = r.readCommonType()
		case 1:
			t.fields, err = r.readFieldTypes()
		default:
			err = r.damaged("a struct type has a field %d", number)
		}
		return err
	})
}

func (r *reader) readFieldTypes() (fields []fieldDef, err error) {
	n, err := r.uint()
	if err != nil {
		return nil, err
	}
	for range n { // each takes at least a byte
		var f fieldDef
		err := r.eachField(func(number int) (err error) {
			switch number {
			case 0:
				f.name, err = r.string()
			case 1:
				f.typ, err = r.int()
			default:
				err = r.damaged("a field type has a field %d", number)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// readCommonType skips the name and the number, which are not needed.
func (r *reader) readCommonType() error {
	return r.eachField(func(number int) (err error) {
		switch number {
		case 0:
			_, err = r.string()
		case 1:
			_, err = r.int()
		default:
			err = r.damaged("a common type has a field %d", number)
		}
		return err
	})
}

// layout holds the fields of the two structs of a file, by their numbers.
type layout struct {
	group  []string
	family []string
}

// Names of fields.
const (
	fieldLabels    = "Labels"
	fieldMetrics   = "Metrics"
	fieldTimestamp = "Timestamp"
	fieldFamily    = "GobbableMetricFamily"
)

// layout compares the types with those that a Pushgateway writes, and returns
// the parts that may differ.
func (r *reader) layout(types map[int64]typeDef, top int64) (l layout, err error) {
	groups, ok := mapElem(types, top)
	if !ok || types[groups].kind != kindStruct {
		return l, r.damaged("it is not a map of groups")
	}
	for _, f := range types[groups].fields {
		elem, isMap := mapElem(types, f.typ)
		switch {
		case f.name == fieldLabels && isMap && elem == stringType:
		case f.name == fieldMetrics && isMap && types[elem].kind == kindStruct && l.family == nil:
			if l.family, err = r.familyFields(types, types[elem].fields); err != nil {
				return l, err
			}
		default:
			return l, r.damaged("a group has the unknown field %q", excerpt.Of(f.name))
		}
		l.group = append(l.group, f.name)
	}
	return l, nil
}

func (r *reader) familyFields(types map[int64]typeDef, fields []fieldDef) (names []string, err error) {
	for _, f := range fields {
		known := f.name == fieldTimestamp || f.name == fieldFamily
		if !known || types[f.typ].kind != kindItself {
			return nil, r.damaged("a family has the unknown field %q", excerpt.Of(f.name))
		}
		names = append(names, f.name)
	}
	return names, nil
}

// mapElem returns the element type of a map with string keys.
func mapElem(types map[int64]typeDef, id int64) (elem int64, ok bool) {
	t := types[id]
	return t.elem, t.kind == kindMap && t.key == stringType
}
