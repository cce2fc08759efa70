#!/bin/sh
fw4 -q reload
