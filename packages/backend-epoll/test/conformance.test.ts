import { conformance, nativeSockConformance } from '@sockman/core/conformance'
import { describe, test } from 'vitest'
import { backend } from '../src/index'

conformance(backend, { describe, test, specifier: { module: import.meta.resolve('../dist/index.js') } })
nativeSockConformance(backend, { describe, test })
